"""One function a family of features; its module has the formulas."""
