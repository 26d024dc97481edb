package serial_test

import (
	"fmt"

	"bootaudit/serial"
)

func ExampleWatch() {
	w := serial.NewWatch(serial.WatchConfig{
		OnStage: func(r serial.Reached) { fmt.Println("stage:", r.Stage) },
		OnTrip:  func(t serial.Trip) { fmt.Println("trip:", t.ID, "-", t.Means) },
	})
	fmt.Fprint(w, "ISOLINUX 6.04\r\nLoading /boot/bzImage... ok\r\n")
	fmt.Fprint(w, "[    1.234567] Kernel panic - not syncing: No working init found.\r\n")
	// Output:
	// stage: bootloader
	// stage: kernel-load
	// trip: init-missing - there is no init to start
}
