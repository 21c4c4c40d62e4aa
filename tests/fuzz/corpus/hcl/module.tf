module "a" {
  source = "../../b"
}
locals { j = file("${path.module}/../x/${var.y}.json") }
