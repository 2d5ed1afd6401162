package inbox

// CauseOf shows tests how errors are compared.
func CauseOf(text string) string { return causeOf(oneLine(text)) }
