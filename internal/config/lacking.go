package config

// Lacking ends a test for which something is missing here: it is skipped, or,
// with BOOT_IMAGE_REQUIRE, failed.
func Lacking(t interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}, why ...any) {
	t.Helper()
	if cfg, err := Load(); err != nil {
		t.Fatal(err)
	} else if cfg.Require {
		t.Fatal(why...)
	}
	t.Skip(why...)
}
