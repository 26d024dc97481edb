package near

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestName(t *testing.T) {
	known := []string{"BOOT_IMAGE_ISO", "BOOT_IMAGE_FLAKE", "BOOT_IMAGE_ATTR", "BOOT_IMAGE_VM_LOG_ROOT", "ISO"}
	for name, want := range map[string]string{
		"BOOT_IMAGE_IOS":         "BOOT_IMAGE_ISO",
		"BOOT_IMAGE_FLAKES":      "BOOT_IMAGE_FLAKE",
		"BOOTIMAGE_FLAKE":        "BOOT_IMAGE_FLAKE",
		"BOOT_IMAGE_VM_LOG_ROT":  "BOOT_IMAGE_VM_LOG_ROOT",
		"ISOO":                   "ISO",
		"iso":                    "ISO",
		"SOMETHING_ELSE_AT_ALL":  "",
		"":                       "",
		"X":                      "",
		"BOOT_IMAGE_ATTRIBUTE_S": "BOOT_IMAGE_ATTR",
	} {
		assert.Equal(t, want, Name(name, known), name)
	}
	assert.Equal(t, "; did you mean ISO?", Hint("ISOO", known))
	assert.Equal(t, "; known are a, b", Hint("something", []string{"a", "b"}))
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		assert.Equal(t, test.want, distance(test.a, test.b), "%s %s", test.a, test.b)
		assert.Equal(t, test.want, distance(test.b, test.a), "%s %s", test.b, test.a)
	}
}
