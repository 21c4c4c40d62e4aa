output "tree" {
  value = length(jsonencode(yamldecode(file("${path.module}/bomb.yaml"))))
}
