#version 330 core
// One instance is one rectangle: a letter, a plate or the lamp. Pixels, origin upper left.

uniform vec2 screen;  // width, height of the viewport

in vec4 rect;     // left, top, width, height on the screen
in vec4 cell;     // left, top, width, height on the glyph sheet
in vec4 tint;
in float corner;  // radius of a plate's corners; below 0: a letter

out vec2 at;  // pixels from the rectangle's upper left corner
flat out vec2 extent;
flat out vec2 glyph;
flat out vec4 colour;
flat out float radius;

void main() {
    vec2 side = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    at = side * rect.zw;
    extent = rect.zw;
    glyph = cell.xy;
    colour = tint;
    radius = corner;
    vec2 place = (rect.xy + at) / screen * 2.0 - 1.0;
    gl_Position = vec4(place.x, -place.y, 0.0, 1.0);
}
