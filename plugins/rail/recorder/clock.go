package recorder

// clock makes times of a record's date and time bytes. It keeps the last date, because records of one day follow
// each other.
type clock struct {
	date [3]byte
	days int64
	good bool
}

// micros gives microseconds since 1970-01-01T00:00:00, naive; false when there is no such time.
func (c *clock) micros(b []byte) (int64, bool) {
	_ = b[5]
	hour, minute, second := b[3], b[4], b[5]
	if d := [3]byte(b[:3]); d != c.date {
		c.date = d
		c.days, c.good = daysOf(2000+int64(d[0]), int64(d[1]), int64(d[2]))
	}
	if !c.good || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return (c.days*86400 + int64(hour)*3600 + int64(minute)*60 + int64(second)) * 1e6, true
}

// daysOf gives days since 1970-01-01 of a date of the Gregorian calendar (years 2000 to 2255).
func daysOf(year, month, day int64) (int64, bool) {
	if month < 1 || month > 12 || day < 1 || day > monthDays(year, month) {
		return 0, false
	}
	// Years begin in March here, so that the leap day comes last: 153 days are five months.
	if month <= 2 {
		year--
		month += 12
	}
	return year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719469, true
}

func monthDays(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
