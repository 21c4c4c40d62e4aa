locals {
  line = join("", [for i in range(1024) : "0123456789abcdef"])
  page = join("", [for i in range(1024) : local.line])
  book = join("", [for i in range(1024) : local.page])
}

output "length" {
  value = length(local.book)
}
