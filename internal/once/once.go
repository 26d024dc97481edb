// Package once makes a value once, for callers who may give up.
package once

import (
	"context"
	"fmt"
	"sync"
)

// Value is made by the first caller who does not give up, and kept, be it a
// value or a failure. The zero Value is ready for use.
type Value[T any] struct {
	init sync.Once
	turn chan struct{} // is filled by who makes it
	done bool
	kept T
	err  error
}

// Get is the value, which it makes unless that was done. Callers wait for who
// makes it; one whose context ends leaves. A failure whose maker's context has
// ended says nothing to others: it is not kept, and the next one tries again.
func (v *Value[T]) Get(ctx context.Context, produce func(context.Context) (T, error)) (T, error) {
	v.init.Do(func() { v.turn = make(chan struct{}, 1) })
	select {
	case v.turn <- struct{}{}:
		defer func() { <-v.turn }()
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("waited for another's attempt: %w", ctx.Err())
	}
	if v.done {
		return v.kept, v.err
	}
	value, err := produce(ctx)
	if err == nil || ctx.Err() == nil {
		v.kept, v.err, v.done = value, err, true
	}
	return value, err
}
