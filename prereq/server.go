package prereq

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// serverLimit is how long a server may take to answer.
const serverLimit = 5 * time.Second

// server is one that was asked for a file.
type server struct {
	url    string
	answer reply
	err    error
}

// visit asks a server for the file that url names.
func (a auditor) visit(ctx context.Context, url string) server {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	s := server{url: url}
	s.answer, s.err = a.Get(ctx, url)
	if s.err != nil && ctx.Err() != nil {
		s.err = fmt.Errorf("no answer within %s", serverLimit)
	}
	return s
}

// String says what it answered, out of which cache, through which proxy.
func (s server) String() string {
	words := s.url + ": "
	var failed *url.Error
	switch {
	case errors.As(s.err, &failed):
		words += failed.Err.Error()
	case s.err != nil:
		words += s.err.Error()
	default:
		words += fmt.Sprintf("HTTP %d", s.answer.Status)
		for _, name := range []string{"X-Cache", "Age", "Via"} {
			if value := s.answer.Header.Get(name); value != "" {
				words += fmt.Sprintf(", %s: %.60s", name, value)
			}
		}
	}
	if s.answer.Proxy != "" {
		return words + ", through the proxy " + s.answer.Proxy
	}
	return words + ", without a proxy"
}
