package iso

// For the tests of package iso_test.

// Allocated is the bytes that f allocates.
var Allocated = allocated

// TextOf is a file's text.
func TextOf(f fileText) string { return f.text }

// Kept is the bytes of an image's menus, boot entries and paths as they are
// kept.
func Kept(img *Image) int {
	n := len(img.Boot) * entryCost
	for _, m := range img.Menus {
		n += entryCost + weight(m)
	}
	for _, v := range img.volumes {
		for _, p := range v.paths {
			n += wordCost + len(p)
		}
	}
	return n
}

// Worked is the bytes that the last operation on an image has read, and the
// entries that it has gone through.
func Worked(img *Image) (bytes int64, entries int) { return img.file.bytes, img.file.listed }

// Program is a PE program with sections, each a name and a content.
var Program = program

// System is what the image boots into; nil where that cannot be told.
func System(img *Image) *Root {
	root, _, _ := img.system()
	return root
}
