package recorder

// clock keeps the midnight of the last date, because records of one day follow each other.
type clock struct {
	date     uint32 // year − 2000, month, day, a byte each
	midnight int64  // microseconds since 1970-01-01T00:00:00, naive
	good     bool   // there is such a date
}

// setDate takes another date.
func (c *clock) setDate(date uint32) {
	days, ok := daysOf(2000+int64(date>>16), int64(date>>8&0xff), int64(date&0xff))
	*c = clock{date: date, midnight: days * 86400e6, good: ok}
}

// micros gives the time of hour, minute and second on that date; false when there is no such time.
func (c *clock) micros(b []byte) (int64, bool) {
	hour, minute, second := int64(b[0]), int64(b[1]), int64(b[2])
	if !c.good || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return c.midnight + (hour*3600+minute*60+second)*1e6, true
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
