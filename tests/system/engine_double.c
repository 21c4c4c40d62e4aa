/* A stand-in for an engine in the restart tests: as quick as a program can be, or as slow as the file "mode" in the project's directory says
 * ("plan 30", "apply 30": seconds of sleep in that phase). It plans one resource to create and counts applies in the state's serial, so that
 * an apply that ran twice is seen. Compiled statically by the tests and put where the server looks for `terraform`. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char phase[16];
static int seconds;

static void read_mode(void)
{
	FILE *f = fopen("mode", "r");
	if (f == NULL)
		return;
	if (fscanf(f, "%15s %d", phase, &seconds) != 2)
		seconds = 0;
	(void)fclose(f);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		exit(70);
}

static int serial(void)
{
	int n = 0;
	FILE *f = fopen("terraform.tfstate", "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "{\"version\":4,\"serial\":%d", &n) != 1)
		exit(71);
	(void)fclose(f);
	return n;
}

static void write_state(int n)
{
	char text[256];
	(void)snprintf(text, sizeof(text), "{\"version\":4,\"serial\":%d,\"lineage\":\"double\",\"outputs\":{},\"resources\":[]}", n);
	write_file("terraform.tfstate", text);
}

static void on_int(int signum)
{
	static const char text[] = "\nError: execution halted\n\nInterrupted.\n";
	(void)signum;
	_exit(write(2, text, sizeof(text) - 1) > 0 ? 1 : 2);
}

/* "patient N": holds a lock, and answers SIGINT by ending two seconds later, so that a second signal would be seen. */
static volatile sig_atomic_t signals;

static void on_patience(int signum)
{
	static const char text[] = "SIGINT received\n";
	(void)signum;
	signals++;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(3);
}

static void be_patient(void)
{
	(void)signal(SIGINT, on_patience);
	(void)printf("state lock taken\n");
	(void)fflush(stdout);
	for (int i = 0; i < seconds * 10 && signals == 0; i++)
		(void)usleep(100000);
	for (int i = 0; i < 20; i++)
		(void)usleep(100000);
	(void)printf("state lock released after %d SIGINT\n", (int)signals);
	(void)fflush(stdout);
	if (signals != 0)
		exit(1);
}

static void linger(const char *word)
{
	if (strcmp(phase, "patient") == 0 && strcmp(word, "apply") == 0) {
		be_patient();
		return;
	}
	(void)signal(SIGINT, on_int);
	if (strcmp(phase, word) != 0)
		return;
	(void)printf("sleeping %d s\n", seconds);
	(void)fflush(stdout);
	(void)sleep((unsigned)seconds);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "version") == 0) {
		(void)puts("Terraform v9.8.7\non linux_amd64");
		return 0;
	}
	read_mode();
	if (strcmp(word, "plan") == 0) {
		linger(word);
		write_file("/tmp/plan.bin", "a plan of the double");
	} else if (strcmp(word, "apply") == 0) {
		int n = serial();
		write_state(n + 1);
		linger(word);
		write_state(n + 2);
	} else if (strcmp(word, "show") == 0) {
		(void)puts("{\"format_version\":\"1.2\",\"terraform_version\":\"9.8.7\",\"applyable\":true,\"complete\":true,\"errored\":false,"
			   "\"resource_changes\":[{\"address\":\"double.x\",\"mode\":\"managed\",\"type\":\"double\",\"name\":\"x\",\"change\":"
			   "{\"actions\":[\"create\"],\"before\":null,\"after\":{\"n\":1},\"after_unknown\":{},\"before_sensitive\":false,"
			   "\"after_sensitive\":{}}}]}");
	}
	return 0;
}
