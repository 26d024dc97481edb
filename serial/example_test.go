package serial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os/exec"
	"regexp"
	"time"

	"github.com/creack/pty"

	"bootaudit/serial"
)

// A shell on a pty stands in for a guest with an automatic login of root.
func ExampleConsole() {
	guest := exec.Command("bash", "--norc", "-i")
	guest.Env = append(guest.Environ(), "PS1=live# ")
	port, err := pty.Start(guest)
	if err != nil {
		log.Fatal(err)
	}
	// A pty's Read ends with its shell, a socket's with Close.
	defer guest.Process.Kill()

	c, err := serial.New(port, serial.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	who, err := c.Login(ctx, serial.Account{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("uid is known:", who.UID >= 0)
	if err := c.Type(ctx, "echo one; echo t''wo; exit\r"); err != nil {
		log.Fatal(err)
	}
	match, err := c.Expect(ctx, regexp.MustCompile(`^t(w)o$`))
	fmt.Println(match, err)
	_ = guest.Wait()
	_ = c.Close()
	// Output:
	// uid is known: true
	// [two w] <nil>
}

// The error of a wait says what happened instead.
func ExampleWaitError() {
	host, guest := net.Pipe()
	c, err := serial.New(host, serial.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	go func() {
		_, _ = io.WriteString(guest, "[    1.234567] Kernel panic - not syncing: No working init found.\r\n")
	}()
	_, err = c.Login(context.Background(), serial.Account{})
	var wait *serial.WaitError
	var trip *serial.TripError
	fmt.Println(errors.As(err, &wait), errors.As(err, &trip))
	fmt.Println(wait.Want)
	fmt.Println(trip.Trip.Line)
	// Output:
	// true true
	// shell after login
	// [    1.234567] Kernel panic - not syncing: No working init found.
}
