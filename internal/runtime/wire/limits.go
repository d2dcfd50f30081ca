package wire

// ModuleLimits are the static limits that a compile worker holds a module against.
type ModuleLimits struct {
	Bytes     int `json:"bytes"`
	Body      int `json:"body"`
	Functions int `json:"functions"`
	Locals    int `json:"locals"`
	Nesting   int `json:"nesting"`
}
