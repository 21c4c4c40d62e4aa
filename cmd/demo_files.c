#include "cmd/demo_files.h"

#include "base/mem.h"

static const char SLUICE_YAML[] = "version: 1\n"
				  "projects:\n"
				  "  - { name: account, dir: live/account }\n"
				  "  - { name: network, dir: live/network, depends_on: [account] }\n"
				  "  - { name: db, dir: live/db, depends_on: [network] }\n"
				  "  - { name: web, dir: live/web, depends_on: [network] }\n"
				  "  - { name: dns, dir: live/dns }\n";

static const char MODULE[] = "variable \"name\" { type = string }\n"
			     "\n"
			     "resource \"terraform_data\" \"labels\" {\n"
			     "  input = { name = var.name, team = \"platform\" }\n"
			     "}\n"
			     "\n"
			     "output \"labels\" { value = terraform_data.labels.output }\n";

static const char MODULE_CHANGED[] = "variable \"name\" { type = string }\n"
				     "\n"
				     "resource \"terraform_data\" \"labels\" {\n"
				     "  input = { name = var.name, team = \"platform\", cost_center = \"4711\" }\n"
				     "}\n"
				     "\n"
				     "output \"labels\" { value = terraform_data.labels.output }\n";

static const char ACCOUNT[] = "resource \"terraform_data\" \"account\" {\n  input = \"acme\"\n}\n";

static const char NETWORK[] = "module \"labels\" {\n"
			      "  source = \"../../modules/labels\"\n"
			      "  name   = \"network\"\n"
			      "}\n"
			      "\n"
			      "resource \"terraform_data\" \"vpc\" {\n"
			      "  input = { cidr = \"10.0.0.0/16\", labels = module.labels.labels }\n"
			      "}\n";

static const char DB[] = "resource \"terraform_data\" \"cluster\" {\n  input = { engine = \"postgres\", version = 15 }\n}\n";

static const char WEB[] = "resource \"terraform_data\" \"server\" {\n  count = 2\n  input = { index = count.index }\n}\n";

static const char DNS[] = "variable \"zone\" {\n  type    = string\n  default = \"example.com\"\n}\n"
			  "\n"
			  "resource \"terraform_data\" \"zone\" {\n  input = var.zone\n}\n";

static const char DNS_CHANGED[] = "variable \"zone\" {\n  type    = string\n  default = \"example.com\"\n}\n"
				  "\n"
				  "resource \"terraform_data\" \"zone\" {\n  input = var.zone\n}\n"
				  "\n"
				  "resource \"terraform_data\" \"record\" {\n"
				  "  for_each = toset([\"www\", \"api\"])\n"
				  "  input    = { name = \"${each.key}.${var.zone}\", ttl = 300 }\n"
				  "}\n";

const struct sim_file demo_base[] = {
	{.path = "README.md", .content = "# infra\n"},
	{.path = "sluice.yaml", .content = SLUICE_YAML},
	{.path = "modules/labels/main.tf", .content = MODULE},
	{.path = "live/account/main.tf", .content = ACCOUNT},
	{.path = "live/network/main.tf", .content = NETWORK},
	{.path = "live/db/main.tf", .content = DB},
	{.path = "live/web/main.tf", .content = WEB},
	{.path = "live/dns/main.tf", .content = DNS},
};
const size_t demo_base_n = ARRAY_LEN(demo_base);

const struct sim_file demo_change[] = {
	{.path = "modules/labels/main.tf", .content = MODULE_CHANGED},
	{.path = "live/dns/main.tf", .content = DNS_CHANGED},
};
const size_t demo_change_n = ARRAY_LEN(demo_change);
