// The cubic through its sample points (B = 0, C = 1/2): sharp, and exact at 1:1.

float catmull_rom(float x) {
    x = abs(x);
    if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0) return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
    return 0.0;
}

// The weights of the two samples before and the two after a place `t` of the way between them.
vec4 catmull_rom_four(float t) {
    return vec4(((-0.5 * t + 1.0) * t - 0.5) * t,
                (1.5 * t - 2.5) * t * t + 1.0,
                ((-1.5 * t + 2.0) * t + 0.5) * t,
                (0.5 * t - 0.5) * t * t);
}
