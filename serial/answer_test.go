package serial

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each time that a prompt stands it gets one answer, whatever the kernel prints
// under it; and nothing that stands above is answered again.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const kernel = "[    0.000000] Linux version 6.1.0\r\n[    0.500000] Run /init as init process\r\n"
	passphrase := Answer{re(`passphrase for disk`), "a secret"}
	yes := Answer{re(`^Continue\?`), "y"}
	for _, test := range []struct {
		name    string
		answers []Answer
		boot    func(m *machine) []string // what was answered
		want    []string
	}{
		{"a passphrase, asked three times", []Answer{passphrase}, func(m *machine) (said []string) {
			for range 3 {
				said = append(said, m.password("Please enter passphrase for disk root: "))
				m.sleep(3 * time.Second)
				m.print("No key available with this passphrase.\r\n")
			}
			return said
		}, []string{"a secret", "a secret", "a secret"}},
		{"asked again at once", []Answer{passphrase}, func(m *machine) (said []string) {
			return append(said, m.password("Please enter passphrase for disk root: "), m.password("Please enter passphrase for disk root: "))
		}, []string{"a secret", "a secret"}},
		{"under the kernel's words", []Answer{passphrase}, func(m *machine) []string {
			m.background(100*time.Millisecond, "[   12.000000] usb 1-1: new device\r\n[   12.500000] usb 1-1: more\r\n")
			return []string{m.password("Please enter passphrase for disk root: ")}
		}, []string{"a secret"}},
		{"several", []Answer{passphrase, yes}, func(m *machine) (said []string) {
			said = append(said, m.password("Please enter passphrase for disk root: "))
			m.print("Continue? [y/N] ")
			return append(said, m.readLine())
		}, []string{"a secret", "y"}},
		{"a dialog", []Answer{{re(`Which disk`), ""}}, func(m *machine) []string {
			m.print("\x1b[2J\x1b[5;5H┌────────────┐\x1b[6;5H│ Which disk?│\x1b[7;5H│   <Ok>     │\x1b[8;5H└────────────┘\x1b[7;9H")
			return []string{m.readLine()}
		}, []string{""}},
		{"a script that goes on", []Answer{yes}, func(m *machine) (said []string) {
			m.print("Continue? no need\r\nand so on\r\n")
			m.sleep(20 * time.Second)
			select {
			case line := <-m.lines:
				said = append(said, line)
			default:
			}
			return said
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var said []string
				port := powerOn(t, &machine{}, func(m *machine) {
					m.print(kernel)
					said = test.boot(m)
					autogetty(m)
				})
				c := newConsole(t, port, Config{Answers: test.answers})
				_, err := c.Login(limited(t, 5*time.Minute), Account{})
				require.NoError(t, err)
				synctest.Wait()
				assert.Equal(t, test.want, said)
			})
		})
	}
}

// Who asks for ever gets no answer for ever: the wait ends.
func TestAnswersEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		port := powerOn(t, &machine{}, func(m *machine) {
			m.print("[    0.000000] Linux version 6.1.0\r\n")
			for {
				m.print("Which disk? ")
				asked++
				m.readLine()
				m.print("There is no such disk.\r\n")
			}
		})
		c := newConsole(t, port, Config{Answers: []Answer{{re(`^Which disk\?`), "none"}}})
		_, err := c.Login(limited(t, 5*time.Minute), Account{})
		var trip *TripError
		require.ErrorAs(t, err, &trip)
		assert.Equal(t, "waits-for-person", trip.Trip.ID)
		assert.Equal(t, "Which disk?", trip.Trip.Line)
		synctest.Wait()
		assert.Equal(t, mostAnswers+1, asked)
	})
}
