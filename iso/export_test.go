package iso

// For the tests of package iso_test.

// Allocated is the bytes that f allocates.
var Allocated = allocated

// TextOf is a file's text.
func TextOf(f fileText) string { return f.text }
