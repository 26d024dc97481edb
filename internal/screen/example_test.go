package screen_test

import (
	"fmt"

	"bootaudit/internal/screen"
)

// A boot menu's frame is drawn with line drawing characters, its entries in
// colour; a screen shows what a person would see.
func Example() {
	s := screen.New(screen.Config{Cols: 40, Rows: 5})
	fmt.Fprint(s, "\x1b)0\x1b[2J\x1b[1;1H\x0elqqqqqqqqqk\x0f\x1b[2;1H\x0ex\x0f\x1b[7m Install \x1b[0m\x0ex\x0f\x1b[3;1H\x0emqqqqqqqqqj\x0f")
	fmt.Println(s.Text())
	// Output:
	// ┌─────────┐
	// │ Install │
	// └─────────┘
}

// The lines of a stream are its text, whoever writes it in what pieces.
func ExampleLines() {
	l := screen.Lines{Each: func(l screen.Line) { fmt.Printf("%d: %s\n", l.Offset, l.Text) }}
	fmt.Fprint(&l, "[\x1b[0;32m  OK  \x1b[0m] Started ")
	fmt.Fprint(&l, "Getty.\r\r\nnixos login: ")
	fmt.Printf("waiting: %q\n", l.Open().Text)
	// Output:
	// 0: [  OK  ] Started Getty.
	// waiting: "nixos login: "
}
