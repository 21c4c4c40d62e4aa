output "pairs" {
  value = length(setproduct(range(1024), range(1024), range(1024)))
}
