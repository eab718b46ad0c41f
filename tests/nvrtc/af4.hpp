// A whole format of one's own, nine lines; read by the host compiler and, as text, by NVRTC.
struct AF4 {
  static constexpr auto name = "af4";
  static constexpr qfmt::Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                           .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};
