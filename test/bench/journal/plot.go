package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The plot's measures, in pixels.
const (
	plotWidth  = 940
	panelWidth = 440
	labelWidth = 78
	valueWidth = 96
	barStep    = 27
	barHeight  = 16
	panelHead  = 46
	panelFoot  = 22
	plotHead   = 62
	plotFoot   = 34

	lateScale = 2 // the scale gives way to p99 up to this times the longest bar
)

// Colours that hold on a light and on a dark page.
const (
	ownColour   = "#1f6feb"
	laterColour = "#79a9f2"
	rawColour   = "#6e7781"
	rivalColour = "#a9b4c0"
	lateColour  = "#cf5b2e"
)

// bar is one engine in a panel.
type bar struct {
	name  string
	value float64
	late  float64 // the mark of p99; 0: none
	text  string
}

// panel is one chart: horizontal bars with a line at the raw limit.
type panel struct {
	title, unit string
	bars        []bar
}

// plot draws the report as SVG.
func (r *report) plot() string {
	var panels []panel
	for i := range r.Sections {
		panels = append(panels, r.Sections[i].panel())
	}
	rows := (len(panels) + 1) / 2
	most := 0
	for _, p := range panels {
		most = max(most, len(p.bars))
	}
	height := panelHead + most*barStep + panelFoot
	total := plotHead + rows*height + plotFoot
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12">`+"\n", plotWidth, total, plotWidth, total)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, total)
	text(&b, 20, 28, "start", "#1f2328", `font-size="17" font-weight="600"`, "Durable appends: the journal against the disk's limit and other engines")
	text(&b, 20, 48, "start", rawColour, "", "The dashed line is the raw limit: one pwrite and one fdatasync per batch into a zero-filled file. The mark is p99, an arrow one beyond the scale.")
	for i, p := range panels {
		p.draw(&b, 20+(i%2)*(panelWidth+20), plotHead+(i/2)*height)
	}
	text(&b, 20, total-12, "start", rawColour, `font-size="11"`, r.Machine.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// panel draws latency for one writer, throughput for several.
func (s *section) panel() panel {
	if s.Writers == 1 {
		p := panel{title: "One writer, " + s.Place + " disk", unit: "µs per record, p50; less is better"}
		for i := range s.Series {
			x := &s.Series[i]
			p.bars = append(p.bars, bar{x.Engine, float64(x.p50()) / 1e3, float64(x.p99()) / 1e3,
				fmt.Sprintf("%s  ×%.2f", micros(x.p50()), quotient(x.p50(), s.Series[0].p50()))})
		}
		return p
	}
	p := panel{title: fmt.Sprintf("%d writers, %s disk", s.Writers, s.Place), unit: "records per second; more is better"}
	for i := range s.Series {
		x := &s.Series[i]
		p.bars = append(p.bars, bar{x.Engine, x.rate(s.N), 0,
			fmt.Sprintf("%.0f  ×%.2f", x.rate(s.N), x.rate(s.N)/s.Series[0].rate(s.N))})
	}
	return p
}

func (p panel) draw(b *strings.Builder, x, y int) {
	text(b, x, y+16, "start", "#1f2328", `font-size="14" font-weight="600"`, p.title)
	text(b, x, y+33, "start", rawColour, `font-size="11"`, p.unit)
	top, late := 0.0, 0.0
	for _, v := range p.bars {
		top, late = max(top, v.value), max(late, v.late)
	}
	top = max(top, min(late, lateScale*top))
	left, room := x+labelWidth, float64(panelWidth-labelWidth-valueWidth)
	at := func(v float64) float64 { return float64(left) + room*v/math.Max(top, 1e-9) }
	for i, v := range p.bars {
		p.bar(b, v, left, y+panelHead+i*barStep, at)
	}
	line := at(p.bars[0].value)
	fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-dasharray="4 3"/>`+"\n",
		line, y+panelHead-4, line, y+panelHead+len(p.bars)*barStep-4, "#1f2328")
}

func (p panel) bar(b *strings.Builder, v bar, left, y int, at func(float64) float64) {
	colour, weight := rivalColour, ""
	switch v.name {
	case journalName:
		colour, weight = ownColour, `font-weight="600"`
	case recycledName:
		colour = laterColour
	case rawName:
		colour = rawColour
	}
	text(b, left-8, y+13, "end", "#1f2328", weight, v.name)
	end := at(v.value)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n", left, y, end-float64(left), barHeight, colour)
	limit := float64(left + panelWidth - labelWidth - valueWidth)
	late := at(v.late)
	switch {
	case v.late > 0 && late <= limit:
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="2.5" height="%d" fill="%s"/>`+"\n", late, y-2, barHeight+4, lateColour)
	case v.late > 0: // beyond the panel
		fmt.Fprintf(b, `<path d="M%.1f %d l5 8 l-5 8 z" fill="%s"/>`+"\n", limit-1, y, lateColour)
	}
	text(b, left+panelWidth-labelWidth-2, y+13, "end", "#1f2328", weight, v.text)
}

// text writes a line; anchor is start or end.
func text(b *strings.Builder, x, y int, anchor, colour, more, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" fill="%s" %s>%s</text>`+"\n", x, y, anchor, colour, more, html.EscapeString(s))
}
