resource "terraform_data" "many" {
  count = 1000000
}
