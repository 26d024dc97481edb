package cast

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersion2(t *testing.T) {
	const three = `{"version":3,"term":{"cols":80,"rows":24},"timestamp":7,"title":"clean-disk"}
[0.5,"o","a\u001b[1m"]
[0.25,"m","menu"]
[1,"o","b"]
[0,"x","0"]
`
	var out bytes.Buffer
	require.NoError(t, Version2(&out, strings.NewReader(three)))
	assert.Equal(t, `{"version":2,"width":80,"height":24,"timestamp":7,"title":"clean-disk"}
[0.500000,"o","a\u001b[1m"]
[0.750000,"m","menu"]
[1.750000,"o","b"]
`, out.String())
	h, events, err := read(t, out.String())
	require.NoError(t, err)
	assert.Equal(t, 80, h.Cols)
	assert.Len(t, events, 3)

	var again bytes.Buffer
	require.NoError(t, Version2(&again, strings.NewReader(out.String())), "version 2 stays what it is")
	assert.Equal(t, out.String(), again.String())

	out.Reset()
	require.Error(t, Version2(&out, strings.NewReader(three+"[1,2\n")))
	assert.Contains(t, out.String(), `"b"`, "what stands before a broken line is there")
	require.Error(t, Version2(&out, strings.NewReader("")))
}
