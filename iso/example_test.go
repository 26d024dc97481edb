package iso_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

// What an image boots, and whether its menu speaks on the serial port.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "small.iso")
	image := smalliso.Debian()
	image.RootFile = "" // leave the root file system out
	if err := image.Write(name); err != nil {
		log.Fatal(err)
	}

	img, err := iso.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.VolumeID, img.RootErr)
	for _, menu := range img.Menus {
		entry := menu.Entries[menu.Default]
		fmt.Println(menu.Loader, menu.Timeout, entry.Where(), entry.Kernel, entry.Consoles())
	}
	// Output:
	// SMALL no squashfs in the ISO: its root file system cannot be looked into
	// grub 10s boot/grub/grub.cfg:6 boot/bzImage [tty0 ttyS0]
	// syslinux 10s isolinux/isolinux.cfg:6 boot/bzImage [tty0 ttyS0]
}
