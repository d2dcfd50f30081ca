/* wayside.h: what decoders for Wayside are written with in C. */
