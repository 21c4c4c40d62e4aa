output "sum" {
  value = sum([for i in range(1000) : sum([for j in range(1000) : sum([for k in range(1000) : i + j + k])])])
}
