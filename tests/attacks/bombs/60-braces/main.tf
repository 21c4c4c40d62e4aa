# Each is ten times the one before.
locals {
  a = [for i in range(10) : "0123456789"]
  b = [for i in range(10) : local.a]
  c = [for i in range(10) : local.b]
  d = [for i in range(10) : local.c]
  e = [for i in range(10) : local.d]
  f = [for i in range(10) : local.e]
  g = [for i in range(10) : local.f]
}

output "size" {
  value = length(jsonencode(local.g))
}
