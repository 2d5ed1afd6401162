package timestamp

import (
	"strings"
	"time"
)

// A scanner reads a date from front to back.
type scanner struct{ rest string }

// number reads n digits.
func (s *scanner) number(n int) (value int, ok bool) {
	if len(s.rest) < n {
		return 0, false
	}
	for i := range n {
		c := s.rest[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		value = value*10 + int(c-'0')
	}
	s.rest = s.rest[n:]
	return value, true
}

// skip skips one character if it is in set.
func (s *scanner) skip(set string) bool {
	if s.rest == "" || strings.IndexByte(set, s.rest[0]) < 0 {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// more reads two more digits, after an optional colon. It returns false if there are no digits.
func (s *scanner) more() (value int, ok bool) {
	before := s.rest
	s.skip(":")
	if value, ok = s.number(2); !ok {
		s.rest = before
	}
	return value, ok
}

func parseDate(text string) (time.Time, error) {
	s := scanner{text}
	year, ok1 := s.number(4)
	hyphen := s.skip("-")
	month, ok2 := s.number(2)
	if hyphen != s.skip("-") { // one hyphen may mean year and day of the year, or year and month
		return time.Time{}, ErrFormat
	}
	day, ok3 := s.number(2)
	switch {
	case !ok1 || !ok2 || !ok3:
		return time.Time{}, ErrFormat
	case s.rest == "":
		return time.Time{}, ErrNoTime
	case !s.skip("Tt "):
		return time.Time{}, ErrFormat
	}
	clock, leap, err := s.clock()
	if err != nil {
		return time.Time{}, err
	}
	offset, err := s.zone()
	if err != nil {
		return time.Time{}, err
	}
	midnight := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if midnight.Month() != time.Month(month) || midnight.Day() != day {
		return time.Time{}, ErrRange // time.Date has normalized a day such as 30 February
	}
	t := midnight.Add(clock - offset)
	switch {
	case t.Year() < 0 || t.Year() > 9999:
		return time.Time{}, ErrRange
	case leap && t.Truncate(time.Second) != t.Truncate(24*time.Hour): // a leap second is the last second of a UTC day
		return time.Time{}, ErrRange
	}
	return t, nil
}

// clock reads the time of day.
func (s *scanner) clock() (clock time.Duration, leap bool, err error) {
	hour, ok := s.number(2)
	if !ok && len(s.rest) > 1 && s.rest[1] == ':' { // package time accepts a single digit as well
		hour, ok = s.number(1)
	}
	if !ok {
		return 0, false, ErrFormat
	}
	minute, hasMinute := s.more()
	second, hasSecond := 0, false
	if hasMinute {
		second, hasSecond = s.more()
	}
	clock = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if hasSecond && s.skip(".,") {
		digits := len(s.rest) - len(strings.TrimLeft(s.rest, "0123456789"))
		if digits == 0 {
			return 0, false, ErrFormat
		}
		clock += part(s.rest[:digits], time.Second)
		s.rest = s.rest[digits:]
	}
	if hour > 24 || hour == 24 && clock > 24*time.Hour || minute > 59 || second > 60 {
		return 0, false, ErrRange
	}
	return clock, second == 60, nil
}

// zone reads the offset from UTC and the optional suffixes.
func (s *scanner) zone() (offset time.Duration, err error) {
	s.skip(" ") // Ruby writes a space
	if s.rest == "" {
		return 0, ErrNoZone
	}
	switch name := strings.ToUpper(s.rest[:min(3, len(s.rest))]); {
	case name == "UTC" || name == "GMT":
		s.rest = s.rest[3:]
	case s.skip("Zz"):
	default:
		if offset, err = s.offset(); err != nil {
			return 0, err
		}
	}
	for s.skip("[") {
		end := strings.IndexByte(s.rest, ']')
		if end <= 0 || s.rest[0] == '!' || strings.ContainsAny(s.rest[:end], "[ ") { // "!" marks a suffix that must not be ignored
			return 0, ErrFormat
		}
		s.rest = s.rest[end+1:]
	}
	if s.rest != "" {
		return 0, ErrFormat
	}
	return offset, nil
}

func (s *scanner) offset() (time.Duration, error) {
	sign := time.Duration(1)
	switch {
	case s.skip("-"):
		sign = -1
	case s.skip("+"):
	case s.rest != "" && s.rest[0] == '[':
		return 0, ErrNoZone
	default:
		return 0, ErrFormat
	}
	hours, ok := s.number(2)
	if !ok {
		return 0, ErrFormat
	}
	minutes, hasMinutes := s.more()
	seconds := 0
	if hasMinutes {
		seconds, _ = s.more()
	}
	if hours > 24 || minutes > 60 || seconds > 59 { // like package time, which accepts 24 and 60 too
		return 0, ErrRange
	}
	return sign * (time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second), nil
}
