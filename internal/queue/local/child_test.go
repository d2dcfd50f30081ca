package local

func childMain() bool { return false }
