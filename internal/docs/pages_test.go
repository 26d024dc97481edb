package docs

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"bootaudit/internal/config"
)

// page is a Markdown file, by its path in the module.
type page struct {
	name   string
	source []byte
	doc    ast.Node
}

// pages are the README and those of docs.
func pages(t *testing.T) (all []page) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range append([]string{filepath.Join(root, "README.md")}, names...) {
		short, err := filepath.Rel(root, name)
		require.NoError(t, err)
		all = append(all, readPage(t, short))
	}
	return all
}

func readPage(t *testing.T, name string) page {
	source, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	return page{name, source, markdown.Parser().Parse(text.NewReader(source))}
}

// line is where a byte of the page stands.
func (p page) line(offset int) int { return bytes.Count(p.source[:offset], []byte("\n")) + 1 }

// block is code that a page shows.
type block struct {
	page   string
	line   int
	kind   string // a fence's language; "indented"; "span", within a line
	source string
}

func (p page) blocks() (all []block) {
	visit := func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			if n.Lines().Len() > 0 {
				all = append(all, block{p.name, p.line(n.Lines().At(0).Start), string(n.Language(p.source)), string(n.Lines().Value(p.source))})
			}
		case *ast.CodeBlock:
			all = append(all, block{p.name, p.line(n.Lines().At(0).Start), "indented", string(n.Lines().Value(p.source))})
		case *ast.CodeSpan:
			var words strings.Builder
			var at int
			for child := n.FirstChild(); child != nil; child = child.NextSibling() {
				if child, ok := child.(*ast.Text); ok {
					at = child.Segment.Start
					words.Write(bytes.ReplaceAll(child.Value(p.source), []byte("\n"), []byte(" ")))
				}
			}
			all = append(all, block{p.name, p.line(at), "span", words.String()})
		}
		return ast.WalkContinue, nil
	}
	_ = ast.Walk(p.doc, visit) // visit returns no error
	return all
}

// TestLinks: a link that does not leave the tree leads to a file that is there,
// and to a heading of it.
func TestLinks(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		visit := func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			link, ok := n.(*ast.Link)
			if !ok || !entering {
				return ast.WalkContinue, nil
			}
			to, err := url.Parse(string(link.Destination))
			if !assert.NoError(t, err, p.name) || to.IsAbs() {
				return ast.WalkContinue, nil
			}
			found++
			file := p.name
			if to.Path != "" {
				file = filepath.Join(filepath.Dir(p.name), to.Path)
			}
			if !assert.FileExists(t, filepath.Join(root, file), "%s links to %s", p.name, to) || to.Fragment == "" {
				return ast.WalkContinue, nil
			}
			assert.Contains(t, readPage(t, file).headings(), to.Fragment, "%s links to %s", p.name, to)
			return ast.WalkContinue, nil
		}
		_ = ast.Walk(p.doc, visit)
	}
	assert.Greater(t, found, 10)
}

// headings are what links to the page's headings end in.
func (p page) headings() (ids []string) {
	for n := p.doc.FirstChild(); n != nil; n = n.NextSibling() {
		if id, ok := n.AttributeString("id"); ok {
			ids = append(ids, string(id.([]byte)))
		}
	}
	return ids
}

// TestVariablesExist: who sets a variable that a page names is heard.
func TestVariablesExist(t *testing.T) {
	known := map[string]bool{}
	for _, v := range config.Variables() {
		known[v.Name] = true
	}
	for _, p := range pages(t) {
		for _, word := range strings.FieldsFunc(string(p.source), func(r rune) bool {
			return r != '_' && (r < 'A' || r > 'Z')
		}) {
			// BOOT_IMAGE_ alone begins the names of all.
			if strings.HasPrefix(word, "BOOT_IMAGE_") && word != "BOOT_IMAGE_" {
				assert.True(t, known[word], "%s names %s, and there is no such variable", p.name, word)
			}
		}
	}
}
