package iso

import (
	"fmt"
	"slices"
	"strings"
)

// union stacks volumes as overlayfs does, and aufs: an upper layer's file hides
// those of its name below, its folder is merged with them. What is taken away
// is a character device 0/0 or a name that starts with .wh.; a folder is opaque
// by the attribute trusted.overlay.opaque, or by a file .wh..wh..opq in it.
type union struct {
	layers []rootFS // the upper ones first
	// list counts the entries of a layer's folder, of which the union's may be
	// fewer.
	list func(entries int) error
}

// layerNode is what one layer has of a node.
type layerNode struct {
	layer int
	node
}

const (
	aufsMark   = ".wh."
	aufsOpaque = ".wh..wh..opq"
)

func (u union) top() node {
	var parts []layerNode
	for i, v := range u.layers {
		parts = append(parts, layerNode{i, v.top()})
	}
	return node{".", folder, parts}
}

func (u union) entries(n node) ([]node, error) {
	byName := map[string][]layerNode{}
	hidden := map[string]bool{} // by a layer above, or the one at hand
	for _, p := range n.ref.([]layerNode) {
		entries, err := u.layers[p.layer].entries(p.node)
		if err == nil {
			err = u.list(len(entries))
		}
		if err != nil {
			return nil, err
		}
		var hides []string
		last := false
		for _, e := range entries {
			gone, isMark := strings.CutPrefix(e.name, aufsMark)
			switch {
			case e.name == aufsOpaque:
				last = true
			case isMark:
				hides = append(hides, gone)
			case e.kind == whiteout:
				hides = append(hides, e.name)
			case hidden[e.name]:
			default:
				byName[e.name] = append(byName[e.name], layerNode{p.layer, e})
				// A file hides what is below it; a folder does not.
				if e.kind != folder {
					hides = append(hides, e.name)
				}
			}
		}
		// A layer's mark is about those below it.
		for _, name := range hides {
			hidden[name] = true
		}
		if m, ok := u.layers[p.layer].(interface{ opaque(node) (bool, error) }); ok && !last {
			if last, err = m.opaque(p.node); err != nil {
				return nil, err
			}
		}
		if last {
			break
		}
	}
	all := make([]node, 0, len(byName))
	for name, parts := range byName {
		// A folder is merged with folders alone, down to the first other thing.
		if end := slices.IndexFunc(parts, func(p layerNode) bool { return p.kind != folder }); end > 0 {
			parts = parts[:end]
		}
		all = append(all, node{name, parts[0].kind, parts})
	}
	slices.SortFunc(all, func(a, b node) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// first is what the uppermost layer has of a node, and that layer.
func (u union) first(n node) (rootFS, node) {
	p := n.ref.([]layerNode)[0]
	return u.layers[p.layer], p.node
}

func (u union) target(n node) (string, error) {
	v, at := u.first(n)
	return v.target(at)
}

func (u union) read(n node, limit int64) ([]byte, error) {
	v, at := u.first(n)
	if at.kind == folder {
		return nil, fmt.Errorf("%s is a folder", n.name)
	}
	return v.read(at, limit)
}
