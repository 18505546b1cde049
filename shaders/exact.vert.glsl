#version 330 core
// One triangle that covers the viewport, and which texel lies where: pixel for pixel.

uniform sampler2D picture;
uniform vec2 extent;  // of the shown area, pixels
uniform vec2 begin;   // the first pixel of the picture that is shown
uniform bool flip;    // the target's row 0 is at the bottom, the picture's on top

out vec2 place;  // on the picture, 0..1

void main() {
    vec2 corner = 2.0 * vec2(gl_VertexID == 1, gl_VertexID == 2);
    gl_Position = vec4(2.0 * corner - 1.0, 0.0, 1.0);
    if (flip) corner.y = 1.0 - corner.y;
    place = (begin + corner * extent) / vec2(textureSize(picture, 0));
}
