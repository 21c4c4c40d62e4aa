# The real AWS provider, with real host names, through the box and its egress proxy, against an AWS simulator with TLS: plan and apply with each
# engine. The machine has to have the provider's package in a mirror: SLUICE_TEST_PROVIDERS, or where engines look for one by themselves.
# time limit: 900
. "$(dirname "$0")/lib.sh"

region=eu-west-1
config='resource \"aws_vpc\" \"main\" {\n  cidr_block = \"10.20.0.0/16\"\n}\nresource \"aws_s3_bucket\" \"logs\" {\n  bucket        = \"sluice-test-logs\"\n  force_destroy = true\n}\nresource \"aws_s3_object\" \"hello\" {\n  bucket  = aws_s3_bucket.logs.id\n  key     = \"hello.txt\"\n  content = \"hello\"\n}\nresource \"aws_sns_topic\" \"alerts\" {\n  name = \"alerts\"\n}\nresource \"aws_ssm_parameter\" \"motd\" {\n  name  = \"/app/motd\"\n  type  = \"String\"\n  value = \"hi\"\n}\nresource \"aws_dynamodb_table\" \"lock\" {\n  name         = \"lock\"\n  billing_mode = \"PAY_PER_REQUEST\"\n  hash_key     = \"id\"\n  attribute {\n    name = \"id\"\n    type = \"S\"\n  }\n}\nresource \"aws_iam_user\" \"robot\" {\n  name = \"robot\"\n}\nresource \"aws_ecr_repository\" \"app\" {\n  name = \"app\"\n}\ndata \"aws_caller_identity\" \"me\" {}\noutput \"account\" {\n  value = data.aws_caller_identity.me.account_id\n}\n'

# find_provider: the directory that holds VERSION/linux_amd64 of hashicorp/aws
find_provider() {
	for dir in "${SLUICE_TEST_PROVIDERS:-}" "${HOME:-/root}/.terraform.d/plugins" /usr/local/share/terraform/plugins /usr/share/terraform/plugins /opt/*; do
		for package in "$dir"/registry.terraform.io/hashicorp/aws/*/linux_amd64; do
			if [ -d "$package" ]; then
				provider=$(dirname "$package")
				return 0
			fi
		done
	done
	return 1
}
# The mirror has the package for both engines; the program is there once.
make_mirror() {
	version=$(basename "$provider")
	first=$tmp/mirror/registry.terraform.io/hashicorp/aws/$version
	second=$tmp/mirror/registry.opentofu.org/hashicorp/aws/$version
	mkdir -p "$first" "$second"
	cp -al "$provider/linux_amd64" "$first/" 2>/dev/null || { rm -rf "$first/linux_amd64" && cp -r "$provider/linux_amd64" "$first/"; }
	cp -al "$first/linux_amd64" "$second/"
	chmod 755 "$tmp/mirror"
	find "$tmp/mirror" -type d -exec chmod 755 {} +
}
make_certificates() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=sluice test CA' -keyout "$tmp/ca.key" -out "$tmp/ca.pem" 2>/dev/null &&
		openssl req -newkey rsa:2048 -nodes -subj '/CN=amazonaws.com' -keyout "$tmp/aws.key" -out "$tmp/aws.csr" 2>/dev/null &&
		printf 'subjectAltName=DNS:*.amazonaws.com,DNS:*.%s.amazonaws.com,DNS:*.s3.%s.amazonaws.com,DNS:*.s3.amazonaws.com,DNS:*.ddb.%s.amazonaws.com,DNS:api.ecr.%s.amazonaws.com\n' \
			$region $region $region $region >"$tmp/aws.ext" &&
		openssl x509 -req -in "$tmp/aws.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -days 2 -extfile "$tmp/aws.ext" -out "$tmp/aws.pem" 2>/dev/null &&
		chmod 644 "$tmp/ca.pem"
}
start_aws() {
	aws_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	"$parts/moto/bin/moto_server" -H 127.0.0.1 -p "$aws_port" -s -c "$tmp/aws.pem" -k "$tmp/aws.key" >"$tmp/aws.log" 2>&1 &
	aws_pid=$!
	aws_n=0
	until curl -s -k -o /dev/null --max-time 2 "https://127.0.0.1:$aws_port/moto-api/"; do
		aws_n=$((aws_n + 1))
		if [ $aws_n -gt 300 ] || ! alive "$aws_pid"; then
			sed 's/^/# /' "$tmp/aws.log" | tail -n 20
			not_ok "the AWS simulator starts"
			exit 1
		fi
		sleep 0.1
	done
}
end_aws() {
	[ -z "${aws_pid:-}" ] || end "$aws_pid"
	at_exit
}
rules() {
	for host in "*.amazonaws.com" "*.$region.amazonaws.com" "*.s3.$region.amazonaws.com" "*.ddb.$region.amazonaws.com" "api.ecr.$region.amazonaws.com"; do
		printf '"%s:443=127.0.0.1:%s", ' "$host" "$aws_port"
	done
}
job_row() { sqlite3 -readonly "$tmp/data/sluice.db" "SELECT $2 FROM job WHERE phase='$1' ORDER BY id DESC LIMIT 1"; }

lives() {
	printf '%s' '{"README.md": "# infra"}' >"$tmp/base.json"
	new_repo "acme/aws-$e" <"$tmp/base.json"
	printf '{"main.tf": "%s"}' "$config" >"$tmp/change.json"
	commit net alice <"$tmp/change.json"
	open_pull net alice
	check "$e: the plan comes" wait_for 'comment=To apply' context=sluice state=success
	says "$e: with everything in it" '8 to add' "$(body)"
	settle
	check "$e: the plan spoke to AWS by name" [ "$(job_row plan connections)" -gt 0 ]
	same "$e: and to nobody else" 0 "$(job_row plan connections_refused)"
	approve bob
	comment alice apply
	check "$e: it is applied" wait_for 'comment=applied 1 of 1' merged=1
	settle
	says "$e: all of it" '8 added' "$(body)"
	check "$e: the apply spoke to AWS, too" [ "$(job_row apply connections)" -gt 0 ]
	says "$e: and it is there" sluice-test-logs "$(curl -s -k --resolve "s3.$region.amazonaws.com:$aws_port:127.0.0.1" \
		-H 'Authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-west-1/s3/aws4_request' "https://s3.$region.amazonaws.com:$aws_port/")"
	check "$e: its state is kept" [ "$(states show root --format json 2>/dev/null | jq length)" -ge 1 ]
}

begin
need openssl
need python3
need sqlite3
trap end_aws EXIT
if ! find_provider; then
	echo "skip aws: no mirror on this machine holds registry.terraform.io/hashicorp/aws (set SLUICE_TEST_PROVIDERS)"
	exit 0
fi
if [ ! -x "$parts/moto/bin/moto_server" ]; then
	echo "skip aws: the AWS simulator is missing (make parts)"
	exit 0
fi
wait_ms=240000
make_mirror
make_certificates || exit 1
start_aws
for e in $(engines); do
	use_engine "$e"
	port=0
	start_github
	rm -rf "$tmp/data"
	write_server_file "providers: { mirror: mirror, allow: [\"registry.terraform.io/hashicorp/aws\", \"registry.opentofu.org/hashicorp/aws\"] }
egress: { plan: [$(rules)], apply: [$(rules)], ca_file: ca.pem }
overrides: { env: { AWS_ACCESS_KEY_ID: AKIATEST, AWS_SECRET_ACCESS_KEY: test, AWS_REGION: $region, AWS_EC2_METADATA_DISABLED: \"true\" } }"
	: >"$tmp/daemon.log"
	start_daemon
	lives
	stop_daemon
	end "$github_pid"
	curl -s -k -o /dev/null -X POST "https://127.0.0.1:$aws_port/moto-api/reset"
done
finish
