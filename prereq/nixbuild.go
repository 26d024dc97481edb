package prereq

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/nix"
)

// builder is a program that writes "ok\n" to the file that its argument names.
// nix's sandbox need not have a shell (Debian's has none), and a statically
// linked program cannot be taken for granted on a host.
func builder() []byte {
	const base = 0x400000
	code := []byte{
		0x58,                         // pop  rax          ; argc
		0x5f,                         // pop  rdi          ; the program
		0x5f,                         // pop  rdi          ; its argument
		0xbe, 0x41, 0x00, 0x00, 0x00, // mov  esi, 0x41    ; O_WRONLY|O_CREAT
		0xba, 0xa4, 0x01, 0x00, 0x00, // mov  edx, 0644
		0xb8, 0x02, 0x00, 0x00, 0x00, // mov  eax, 2       ; open
		0x0f, 0x05, // syscall
		0x89, 0xc7, // mov  edi, eax
		0x48, 0x8d, 0x35, 0x19, 0x00, 0x00, 0x00, // lea  rsi, [rip+25]
		0xba, 0x03, 0x00, 0x00, 0x00, // mov  edx, 3
		0xb8, 0x01, 0x00, 0x00, 0x00, // mov  eax, 1       ; write
		0x0f, 0x05, // syscall
		0x83, 0xe8, 0x03, // sub  eax, 3       ; 0 when all was written
		0x89, 0xc7, // mov  edi, eax
		0xb8, 0x3c, 0x00, 0x00, 0x00, // mov  eax, 60      ; exit
		0x0f, 0x05, // syscall
		0x90, // nop
		'o', 'k', '\n',
	}
	head := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
		Entry: base + 120, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	copy(head.Ident[:], elf.ELFMAG)
	head.Ident[elf.EI_CLASS], head.Ident[elf.EI_DATA], head.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	size := uint64(120 + len(code))
	prog := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 4096}
	var b bytes.Buffer
	for _, part := range []any{head, prog, code} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err) // fixed-size values into memory
		}
	}
	return b.Bytes()
}

// nixBuild builds a derivation of our own. When it was built before, --rebuild
// builds it once more, so that the store gathers nothing.
func (a auditor) nixBuild(ctx context.Context) check.Result {
	dir, err := os.MkdirTemp(a.TempDir, "bootaudit-nix-")
	if err != nil {
		return check.Doubt(err.Error())
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "builder")
	if err := os.WriteFile(program, builder(), 0o755); err != nil {
		return check.Doubt(err.Error())
	}
	// builtins.path gives it the same store path wherever it lies.
	return a.realise(ctx, fmt.Sprintf(`derivation {
  name = "bootaudit-probe";
  system = "x86_64-linux";
  builder = "${builtins.path { name = "bootaudit-builder"; path = /. + %s; }}";
  args = [ (builtins.placeholder "out") ];
}`, nix.Quote(program)))
}

// realise builds an expression, for real each time.
func (a auditor) realise(ctx context.Context, expr string) check.Result {
	var r check.Result
	for _, again := range [][]string{nil, {"--rebuild"}} {
		args := append([]string{"build", "--no-link", "--json", "--impure", "--option", "substitute", "false"}, again...)
		cmd := a.nixCommand(append(args, "--expr", expr)...)
		out, bad := a.answer(ctx, cmd)
		if bad != nil {
			if words := saidBy(out); words != "" && !errors.Is(out.Err, context.DeadlineExceeded) {
				bad.Detail = "nix cannot build it: " + words
			}
			return *bad
		}
		var built []struct{ Outputs map[string]string }
		if err := json.Unmarshal([]byte(out.Stdout), &built); err != nil || len(built) != 1 {
			r = check.Break(fmt.Sprintf("nix build --json prints %.60q", firstLine(out.Stdout)))
		} else {
			r = check.Hold("built " + built[0].Outputs["out"])
		}
		if strings.Contains(cmd.String(), "build-users-group") {
			if r.Outcome == check.Holds {
				r.Outcome = check.Risk
			}
			r.Risk = "root builds as root here, because the group of nix's build users (nixbld) does not exist"
			r.FollowUp = "for builds apart from root, make the group nixbld with members, or run nix-daemon"
		}
		r.Command, r.Evidence = cmd.String(), out.Stderr+out.Stdout
	}
	return r
}
