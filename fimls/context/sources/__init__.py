"""Where candidates come from: a module each. All are functions of the same signature."""
