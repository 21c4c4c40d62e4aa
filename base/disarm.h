/* Text that strangers wrote, made fit to be shown: what a terminal, a browser or a CI system would obey instead of showing is taken out or
 * made visible. Pure, streaming: bytes go in as they come, cut anywhere, and the result is the same as in one piece.
 *
 * What comes out is valid UTF-8, and disarming it once more changes nothing:
 * - control characters (C0, C1) but \n and \t are left out;
 * - escape sequences are left out whole: CSI, two-byte ones, and strings (OSC with its links and titles, DCS, APC, PM, SOS). A string ends
 *   with its line, and after DISARM_HIDDEN_MAX characters, so that nobody hides more than that;
 * - what is no UTF-8 becomes U+FFFD;
 * - characters that turn the writing direction, that nobody sees, or that end a line for some readers only are told: <U+202E>;
 * - with `log`: \r begins a line, as in progress bars, and \r\n is one end of a line; a space goes into what CI systems read as commands in
 *   logs, ":: error::" and "##vso [". */
#ifndef BASE_DISARM_H
#define BASE_DISARM_H

#include "base/buf.h"

#include <stdint.h>

enum { DISARM_HIDDEN_MAX = 4096 };

struct disarm {   /* zeroed: ready */
	bool log; /* set before the first byte: a log, whose lines CI systems read */
	bool after_cr;
	uint8_t escape; /* where in an escape sequence */
	uint8_t line;   /* where in a line, as CI systems see it */
	uint8_t have;   /* bytes of a character that is not whole yet */
	char part[4];
	unsigned hidden; /* characters of the escape sequence so far */
};

void disarm_feed(struct disarm *d, const char *bytes, size_t len, struct buf *out);
/* Nothing follows: a character that was cut comes out as U+FFFD. */
void disarm_end(struct disarm *d, struct buf *out);

#endif
