# The micro-guest: a boot disk of two sectors that shows that a machine runs.
#
# It says RAN on the first serial port. Where a virtio network card sits in PCI
# slot 3, it then says READY and serves TCP on any port: it answers whoever
# connects with a line of text, and ends when that peer closes. It ends the
# machine through QEMU's isa-debug-exit device with status 33.
#
# go generate assembles it (GNU as and ld). Real mode, one segment:
#   0x1000 receive queue, 0x4000 transmit queue (virtio 0.9, 256 entries each:
#          descriptors, +0x1000 available ring, +0x2000 used ring)
#   0x9000 the one buffer: virtio header (10 bytes), then the Ethernet frame. An
#          answer is made in place of its question.

	.intel_syntax noprefix
	.code16
	.set	RX, 0x1000
	.set	TX, 0x4000
	.set	BUF, 0x9000
	.set	ETH, BUF + 10
	.set	ARP, ETH + 14
	.set	IP, ETH + 14
	.set	TCP, IP + 20
	.set	HEADERS, 14 + 20 + 20

	.globl	_start
_start:
	cld
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	sp, 0x7c00
	push	dx			# the boot disk
	mov	si, offset ran
	call	print
	pop	dx
	mov	ax, 0x0202		# BIOS: read two sectors, the second on, of the boot disk
	mov	bx, 0x7e00
	mov	cx, 2
	xor	dh, dh
	int	0x13
	jc	done
	cli				# BIOS handlers must not see the card's interrupts

	# PCI bus 0, slot 3: a virtio card?
	mov	eax, 0x80001800
	call	select
	in	eax, dx
	cmp	ax, 0x1af4
	je	network
	jmp	work

done:	mov	al, 16			# QEMU exits with 2*16+1
	mov	dx, 0xf4
	out	dx, al
	hlt

# select: the PCI register in eax; dx = its data port.
select:	mov	dx, 0xcf8
	out	dx, eax
	mov	dl, 0xfc
	ret

# print: the text at si, up to a zero.
print:	mov	dx, 0x3fd
1:	in	al, dx
	test	al, 0x20
	jz	1b
	lodsb
	mov	dl, 0xf8
	out	dx, al
	cmp	byte ptr [si], 0
	jne	print
	ret

ran:	.asciz	"micro-guest: RAN\r\n"
ready:	.asciz	"micro-guest: READY\r\n"
answer:	.ascii	"a micro-guest answers\n"
	.set	ANSWER, . - answer		# an even number
	.org	510
	.byte	0x55, 0xaa

# The second sector.
network:
	mov	eax, 0x80001804		# command: ports, memory, bus master
	call	select
	mov	ax, 7
	out	dx, ax
	mov	eax, 0x80001810		# BAR 0, its ports
	call	select
	in	eax, dx
	and	al, 0xfc
	mov	bp, ax

	# Two queues, each with one descriptor that is used again and again.
	mov	di, RX
	mov	cx, (TX - RX)		# words: both queues
	xor	ax, ax
	rep stosw
	mov	byte ptr [RX + 1], BUF >> 8
	mov	byte ptr [TX + 1], BUF >> 8
	mov	byte ptr [RX + 9], 0x08	# 2048 bytes
	mov	byte ptr [RX + 12], 2	# for the device to write
	mov	al, 3			# acknowledge, driver
	call	status
	xor	ax, ax
	mov	cl, RX >> 12
	call	queue
	inc	ax
	mov	cl, TX >> 12
	call	queue
	mov	al, 7			# driver ok
	call	status
	mov	si, offset ready
	call	print

receive:
	inc	word ptr [RX + 0x1002]
	xor	ax, ax
	call	notify
1:	mov	ax, [RX + 0x1002]
	cmp	ax, [RX + 0x2002]
	jne	1b

	# Back to the sender.
	mov	si, ETH + 6
	mov	di, ETH
	movsw
	movsw
	movsw
	mov	si, offset mac
	movsw
	movsw
	movsw
	cmp	word ptr [ETH + 12], 0x0008	# IPv4
	je	ip
	cmp	word ptr [ETH + 12], 0x0608	# ARP
	jne	receive

	cmp	byte ptr [ARP + 7], 1	# a request: whose address is this? Ours.
	jne	receive
	inc	byte ptr [ARP + 7]
	push	dword ptr [ARP + 24]
	mov	si, ARP + 8
	mov	di, ARP + 18
	mov	cx, 5
	rep movsw
	pop	dword ptr [ARP + 14]
	mov	si, offset mac
	mov	di, ARP + 8
	movsw
	movsw
	movsw
	mov	ax, 42
	call	send
	jmp	receive

ip:	cmp	byte ptr [IP + 9], 6	# TCP
	jne	receive
	mov	al, [TCP + 13]		# flags
	test	al, 1
	jnz	done			# FIN: the peer has read the answer
	xor	bx, bx			# length of what is sent
	xor	ecx, ecx		# our sequence number
	cmp	al, 0x02
	je	syn
	cmp	al, 0x10
	jne	receive
	cmp	dword ptr [TCP + 8], 0x01000000
	jne	receive			# it acknowledges more than our SYN
	mov	si, offset answer
	mov	di, TCP + 20
	mov	cx, ANSWER
	mov	bx, cx
	rep movsb
	mov	ecx, 0x01000000
	mov	edx, [TCP + 4]
	mov	al, 0x19		# FIN, PSH, ACK
	jmp	reply
syn:	mov	edx, [TCP + 4]
	bswap	edx
	inc	edx
	bswap	edx
	mov	al, 0x12		# SYN, ACK
reply:	mov	[TCP + 13], al
	mov	[TCP + 4], ecx
	mov	[TCP + 8], edx
	mov	byte ptr [TCP + 12], 0x50
	mov	eax, [TCP]		# ports
	rol	eax, 16
	mov	[TCP], eax
	mov	eax, [IP + 12]		# addresses
	xchg	eax, [IP + 16]
	mov	[IP + 12], eax

	lea	ax, [bx + 40]
	xchg	al, ah
	mov	[IP + 2], ax
	xor	dx, dx
	mov	[IP + 10], dx
	mov	[TCP + 16], dx
	mov	si, IP
	mov	cx, 10
	call	sum
	mov	[IP + 10], dx

	lea	dx, [bx + 20]		# pseudo header: length, protocol, addresses
	mov	cx, dx
	xchg	dl, dh
	add	dh, 6
	add	cx, 8
	shr	cx, 1
	mov	si, IP + 12
	call	sum
	mov	[TCP + 16], dx
	lea	ax, [bx + HEADERS]
	call	send
	jmp	receive

# sum: dx = complement of the ones' complement sum of dx and cx words at si.
sum:	lodsw
	add	dx, ax
	adc	dx, 0
	loop	sum
	not	dx
	ret

# send: the ax bytes of the frame.
send:	add	ax, 10
	mov	[TX + 8], ax
	mov	di, BUF
	mov	cx, 5
	xor	ax, ax
	rep stosw
	inc	word ptr [TX + 0x1002]
	inc	ax
	call	notify
1:	mov	ax, [TX + 0x1002]
	cmp	ax, [TX + 0x2002]
	jne	1b
	ret

# queue: number ax stands at page cl.
queue:	lea	dx, [bp + 14]
	out	dx, ax
	push	ax
	movzx	eax, cl
	lea	dx, [bp + 8]
	out	dx, eax
	pop	ax
	ret

notify:	lea	dx, [bp + 16]
	out	dx, ax
	ret

status:	lea	dx, [bp + 18]
	out	dx, al
	ret

mac:	.byte	0x52, 0x54, 0x00, 0x12, 0x34, 0x56

# Work as a kernel does: in long mode, with paging on. A KVM that emulates what
# it cannot run gets through real mode and never gets through this.
	.set	PAGES, 0xa000
	.set	ROUNDS, 1 << 24
work:	mov	di, PAGES
	mov	cx, 0x1800
	xor	ax, ax
	rep stosw
	mov	word ptr [PAGES], PAGES + 0x1003
	mov	word ptr [PAGES + 0x1000], PAGES + 0x2003
	mov	byte ptr [PAGES + 0x2000], 0x83	# the first 2 MiB, as they are
	mov	eax, 0x20		# CR4.PAE
	mov	cr4, eax
	mov	eax, PAGES
	mov	cr3, eax
	mov	ecx, 0xc0000080		# EFER
	rdmsr
	or	ah, 1			# long mode
	wrmsr
	lgdt	[gdtr]
	mov	eax, cr0
	or	eax, 0x80000001		# paging, protection
	mov	cr0, eax
	ljmp	8, offset long

	.balign	8
gdt:	.quad	0
	.quad	0x00209a0000000000	# 64-bit code
gdtr:	.word	15
	.long	gdt

	.code64
long:	mov	ecx, ROUNDS
1:	add	qword ptr [BUF], rcx
	dec	ecx
	jnz	1b
	mov	esi, offset worked
2:	mov	dx, 0x3fd
	in	al, dx
	test	al, 0x20
	jz	2b
	lodsb
	mov	dl, 0xf8
	out	dx, al
	cmp	byte ptr [rsi], 0
	jne	2b
	mov	al, 16
	mov	dx, 0xf4
	out	dx, al
3:	hlt
	jmp	3b
worked:	.asciz	"micro-guest: WORKED\r\n"

	.org	1536
