#version 330 core
// Pixel for pixel. A processor that draws is three times as fast without any reckoning here: the
// middle of a pixel is the middle of a texel, and the nearest one is that very texel.

uniform sampler2D picture;  // sRGB code values, row 0 on top; the nearest texel counts
uniform float level;        // factor on code values

in vec2 place;

out vec4 colour;

void main() {
    colour = vec4(texture(picture, place).rgb * level, 1.0);
}
