#version 330 core
// Pixel for pixel: in a program of its own, for a processor that draws is three times as fast then.
#include "pass.glsl"

void main() {
    colour = vec4(texelFetch(picture, here() + int(start) * axis, 0).rgb * level, 1.0);
}
