variable "answer" {
  description = "What is it?"
}

output "answer" {
  value = var.answer
}
