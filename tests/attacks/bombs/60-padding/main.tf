output "padded" {
  value = length(format("%999999999s", "x"))
}
