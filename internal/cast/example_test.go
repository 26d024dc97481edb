package cast_test

import (
	"bytes"
	"fmt"
	"time"

	"bootaudit/internal/cast"
)

func Example() {
	var file bytes.Buffer
	clock := time.Unix(1_700_000_000, 0)
	w, err := cast.NewWriter(&file, cast.Header{Cols: 132, Rows: 50, Now: func() time.Time { return clock }})
	if err != nil {
		panic(err)
	}
	clock = clock.Add(1500 * time.Millisecond)
	fmt.Fprint(w, "ISOLINUX 6.04\r\n")
	w.Mark("bootloader")
	w.Close()
	fmt.Print(file.String())

	cast.Read(&file, func(e cast.Event) error {
		fmt.Printf("%s %c %q\n", e.At, e.Code, e.Data)
		return nil
	})
	// Output:
	// {"version":3,"term":{"cols":132,"rows":50},"timestamp":1700000000}
	// [1.500000,"o","ISOLINUX 6.04\r\n"]
	// [0.000000,"m","bootloader"]
	// 1.5s o "ISOLINUX 6.04\r\n"
	// 1.5s m "bootloader"
}
