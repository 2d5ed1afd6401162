package main

import (
	"image"
	"image/color"
	"maps"
	"slices"
)

// fewer reduces a picture to 256 colours, and sets each pixel to the nearest of them. It chooses the most frequent colours, but skips
// colours that are similar to a chosen one, because a rare colour matters more than another shade of an edge.
func fewer(p image.Image) image.Image {
	area := p.Bounds()
	counts := make(map[color.RGBA]int)
	each := func(f func(x, y int, c color.RGBA)) {
		for y := area.Min.Y; y < area.Max.Y; y++ {
			for x := area.Min.X; x < area.Max.X; x++ {
				f(x, y, color.RGBAModel.Convert(p.At(x, y)).(color.RGBA))
			}
		}
	}
	each(func(_, _ int, c color.RGBA) { counts[c]++ })
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return counts[b] - counts[a] })
	var palette color.Palette
	for least := 0; palette == nil || len(palette) > 256; least += 4 {
		palette = nil
		for _, c := range most {
			if len(palette) == 0 || distance(c, palette[palette.Index(c)].(color.RGBA)) > least {
				palette = append(palette, c)
			}
			if len(palette) > 256 {
				break
			}
		}
	}
	nearest := make(map[color.RGBA]uint8)
	out := image.NewPaletted(area, palette)
	each(func(x, y int, c color.RGBA) {
		i, known := nearest[c]
		if !known {
			i = uint8(palette.Index(c))
			nearest[c] = i
		}
		out.SetColorIndex(x, y, i)
	})
	return out
}

func distance(a, b color.RGBA) int {
	return max(apart(a.R, b.R), apart(a.G, b.G), apart(a.B, b.B))
}

func apart(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
