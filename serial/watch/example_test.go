package watch_test

import (
	"fmt"

	"bootaudit/serial/watch"
)

func ExampleWatch() {
	w := watch.New(watch.Config{
		OnStage: func(r watch.Reached) { fmt.Println("stage:", r.Stage) },
		OnTrip:  func(t watch.Trip) { fmt.Println("trip:", t.ID, "-", t.Means) },
	})
	fmt.Fprint(w, "ISOLINUX 6.04\r\nLoading /boot/bzImage... ok\r\n")
	fmt.Fprint(w, "[    1.234567] Kernel panic - not syncing: No working init found.\r\n")
	// Output:
	// stage: bootloader
	// stage: kernel-load
	// trip: init-missing - there is no init that can run, or it died
}
