# The device gives for ever what is asked of it.
output "encoded" {
  value = length(filebase64("/dev/zero"))
}
