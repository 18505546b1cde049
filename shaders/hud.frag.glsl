#version 330 core

uniform sampler2D letters;  // coverage of the glyphs, row 0 on top

in vec2 at;
flat in vec2 extent;
flat in vec2 glyph;
flat in vec4 colour;
flat in float radius;

out vec4 light;  // premultiplied

// Pixels from the edge of a rectangle with round corners, below 0 inside.
float beyond_edge(vec2 p, vec2 size, float r) {
    vec2 q = abs(p - 0.5 * size) - 0.5 * size + r;
    return length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - r;
}

void main() {
    float coverage = radius < 0.0
        ? texelFetch(letters, ivec2(glyph + at), 0).r
        : clamp(0.5 - beyond_edge(at, extent, radius), 0.0, 1.0);
    float alpha = colour.a * coverage;
    light = vec4(colour.rgb * alpha, alpha);
}
