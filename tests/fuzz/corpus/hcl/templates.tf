a = <<-EOT
  ${f("}")} %{ if x }y%{ endif }
  EOT
b = "$${ %%{ \" ${"${"x"}"}"
