package transcript_test

import (
	"fmt"
	"strings"

	"bootaudit/internal/transcript"
)

func Example() {
	r, err := transcript.Read(strings.NewReader(
		"ISOLINUX 6.04\r\nLoading /boot/bzImage... ok\r\nLoading /boot/initrd...ok\r\n"))
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Stages, r.Cause)
	fmt.Println(strings.SplitN(r.Page(), "\n", 2)[0])
	// Output:
	// [bootloader kernel-load] no-kernel-console
	// It fails, and came to kernel-load (kernel-silent): The kernel was started, and nothing came after it.
}
