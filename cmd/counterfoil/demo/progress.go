package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// lineWidth is what a progress line is cut to.
const lineWidth = 100

// progress tells people what happens while it happens. It may be used by
// several goroutines.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	palette palette
	began   time.Time
}

// line prints text as it is.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}

// event prints what happened to a scenario's sale on one side.
func (p *progress) event(s side, id, text string) {
	p.line("%6.2f s  %s  %s  %s", time.Since(p.began).Seconds(), pad(string(s), 5), id, cut(text, lineWidth-20))
}

// screen prints what a screen showed.
func (p *progress) screen(s side, id string, n *Note) {
	colour := p.palette.plain
	if n.Screen == Approved {
		colour = p.palette.good
	}
	p.line("%6.2f s  %s  %s  %s %s", time.Since(p.began).Seconds(), pad(string(s), 5), id,
		colour("screen:"), cut(n.Text, lineWidth-28))
}

// cut shortens text to n characters, after a sentence where one ends there.
func cut(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	head := string(r[:n-1])
	if i := strings.LastIndexAny(head, ".;"); i > 0 {
		return head[:i+1] + " …"
	}
	return head + "…"
}

// pad fills text to n characters, not counting colour.
func pad(text string, n int) string {
	visible := text
	for _, code := range codes {
		visible = strings.ReplaceAll(visible, code, "")
	}
	return text + strings.Repeat(" ", max(1, n-utf8.RuneCountInString(visible)))
}

// palette colours, or does not.
type palette bool

const (
	red   = "\x1b[31;1m"
	green = "\x1b[32;1m"
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

var codes = []string{red, green, bold, reset}

func (p palette) paint(code, text string) string {
	if !p {
		return text
	}
	return code + text + reset
}

func (p palette) bad(text string) string   { return p.paint(red, text) }
func (p palette) good(text string) string  { return p.paint(green, text) }
func (p palette) bold(text string) string  { return p.paint(bold, text) }
func (p palette) plain(text string) string { return text }

// count colours a number of findings: none is good.
func (p palette) count(n int) string {
	if n == 0 {
		return p.good("0")
	}
	return p.bad(fmt.Sprint(n))
}
