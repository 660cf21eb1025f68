// Fills the sign-in form with a demo account; without script the two words are typed.
for (const button of document.querySelectorAll("[data-cityops-account]")) {
  button.addEventListener("click", () => {
    document.querySelector("#id_username").value = button.dataset.cityopsAccount;
    document.querySelector("#id_password").value = button.dataset.cityopsPassword;
    document.querySelector("#id_password").form.requestSubmit();
  });
}
